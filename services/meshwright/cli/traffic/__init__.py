"""`meshwright traffic`: how much of the sessions goes to the canary track."""
