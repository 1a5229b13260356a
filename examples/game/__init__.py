"""Fjord Lanterns: a boat steered by imagined movements of the left and right hand."""
