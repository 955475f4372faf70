"""HTTP to Bitbucket: one request over the wire, addresses that may be asked, secrets kept out of texts."""
