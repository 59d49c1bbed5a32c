"""The journal: what was bought, kept on disk before and after it is bought. Imported only by clients that keep one.

What each note makes of a row is said in ``_engine.books``. Here, ``places`` says where a journal may lie, ``schema``
how its file is laid out, ``owner`` who has a row in hand, ``store`` what is asked of the file, ``writer`` is the one
thread that asks it, and ``journal`` what a client's driver speaks to.
"""
