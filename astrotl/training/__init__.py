"""Networks taught one's own classes or numbers, which are extractors again afterwards."""
