"""Configs and records as strangers break them, and whether lrfind says so as it promises."""
