"""The report: pages made from predictions, cards and executed notebooks; nothing is retrained."""
