"""The demo shop: a small website for first tasks, whose content is the editable files in site/demo/."""
