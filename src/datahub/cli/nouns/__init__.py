"""Commands by noun; each file is one noun: `datahub NOUN VERB`."""
