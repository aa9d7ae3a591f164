"""The config: its typed schema, reading it, finding every fault before anything is built, and filling in an LR."""
