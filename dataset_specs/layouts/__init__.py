"""Find the cases of an unpacked release: one kind of layout a module."""
