"""What an app asked for and what came of it, a line of JSON for each call: how it is written and how it is read."""
