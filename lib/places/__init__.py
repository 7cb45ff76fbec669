"""Zero-shot Places: labels, scoring, selection by confidence, judging, few-shot and export."""
