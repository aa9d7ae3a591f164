"""lrfind inside other frameworks; each is optional."""
