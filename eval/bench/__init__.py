"""How fast it is, against others in the same run: `python -m eval.bench`."""
