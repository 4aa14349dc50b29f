"""Citations of a task as BibTeX."""

from __future__ import annotations

import re

from rasd_nnu.dataset_specs.schema import Citation, DatasetSpec


def to_bibtex(spec: DatasetSpec) -> str:
    """Return one entry a publication, with keys that do not change.

    Example:
        >>> from rasd_nnu.dataset_specs.registry import get_spec
        >>> to_bibtex(get_spec("msd04_hippocampus")).splitlines()[0]
        '@article{antonelli2022_msd04_hippocampus,'
    """
    return "\n\n".join(_entry(spec.key, citation) for citation in spec.citation)


def _entry(key: str, citation: Citation) -> str:
    first = re.sub(r"[^a-z]", "", citation.authors.split(",")[0].lower()) or "anonymous"
    fields = {
        "author": citation.authors,
        "title": f"{{{citation.title}}}",
        "journal": citation.venue,
        "year": str(citation.year),
    }
    if citation.doi:
        fields["doi"] = citation.doi
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@article{{{first}{citation.year}_{key},\n{body}}}"
