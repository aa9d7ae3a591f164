"""The former name of `lrfind.integrations`, which stays importable."""
