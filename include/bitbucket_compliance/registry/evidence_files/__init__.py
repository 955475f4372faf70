"""The files of evidence: what they are by their content, cleaned, and where they are kept."""
