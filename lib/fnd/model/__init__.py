"""PairClassifier(towers, gate, fusion, head): the one network behind every trained system."""
