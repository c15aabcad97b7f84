"""Decoding hashtags: searches in a tree of tokens, drafts, when to stop, and how sure the model is."""
