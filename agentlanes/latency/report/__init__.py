"""Reports on runs: what the terminal, the page and the JSON say of them."""
