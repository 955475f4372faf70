"""Pages and forms: rendering, links, cookies, signatures, errors, lists page by page."""
