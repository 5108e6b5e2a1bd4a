"""From records and predictions to the files of other tools: one writer per form."""
