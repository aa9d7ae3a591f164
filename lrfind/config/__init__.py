"""The config: its typed schema, reading it with overrides, and finding every fault before anything is built."""
