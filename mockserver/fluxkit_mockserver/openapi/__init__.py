"""A service as an OpenAPI 3.1 document, derived from its declaration as the mock serves it.

What the mock takes and says, in a form from which other languages make clients and checks. Nothing is written by hand
for a service: requests and answers are schemas of its codecs, statuses follow from its refusals, examples are its
samples. It is loaded when a document is asked for.
"""
