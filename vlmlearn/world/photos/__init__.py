"""The stored photographs (``photos.safetensors``), their licences (``LICENSES.md``), and what made the file."""
