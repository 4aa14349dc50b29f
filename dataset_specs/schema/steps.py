"""Where the conversion steps of a spec come from.

Steps are the callable models of ``steps/*.py``, told apart by their field ``kind``: parameters as fields, the work
in ``__call__(picture) -> Picture``. A spec lists them under ``steps.image`` and ``steps.label``; they run in that
order, on what ``formats/`` read.
"""
