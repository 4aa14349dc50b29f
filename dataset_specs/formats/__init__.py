"""Readers of file formats: one format a module, all of them give a `Picture`, shapes or a table."""
