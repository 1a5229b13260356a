"""Who may listen and who may control: key pairs, trusted keys, tokens, the certificate of the web page."""
