"""What a run has come to: facts, charts and the page that shows them."""
