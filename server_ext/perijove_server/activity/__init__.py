"""How idle a session is: what counts, where it is heard, and telling control of it."""
