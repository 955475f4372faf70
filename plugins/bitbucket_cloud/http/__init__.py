"""HTTP to Bitbucket: one request over the wire, how much an answer may bring, secrets kept out of texts."""
