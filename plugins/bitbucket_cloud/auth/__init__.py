"""OAuth grants, the token endpoint and the encrypted token vault."""
