// Package cases reads labelled cases, each one deploy with the samples around it and the truth, and scores what was said of them.
//
// A case file has one JSON object a line and may be gzipped; a verdict file has one line for each case. Both formats are those of
// docs/judgement.md. [Read] refuses what cannot be, naming line, case, series and sample. [Case.Rules] is what is judged where nobody
// wrote rules. The label is read by [Score] alone.
package cases
