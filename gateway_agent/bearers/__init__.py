"""The ways out: which bearers a pole has, which of them is used now, and how long an answer over each of them takes."""
