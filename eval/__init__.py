"""The evaluation: how often the right passage comes first, the right sentence is marked, and doubt is justified."""
