"""`gatepost flash`: what a node's flash holds, and how it gets there. How it works is told in docs/flash.md."""
