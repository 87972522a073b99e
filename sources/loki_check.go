package sources

import (
	"strings"
	textscanner "text/scanner"
	"time"

	"github.com/prometheus/common/model"

	"verifier"
)

// CheckLoki says what is wrong with a measure for a source of type loki, without asking anybody. window is the longest range that a
// query looks back over; ranges of {{.Step}} add nothing. Loki's grammar is not here: what else is wrong it says itself.
func CheckLoki(m verifier.Measure) (window time.Duration, err error) {
	const write = `count: '{app="{{.Service}}"} |= "error"', ratio, or query: LogQL that gives a number`
	if m.Percentile != nil || m.Average != nil {
		return 0, verifier.Invalid(keysOf(m)[0], "is nothing a Loki source can answer; write query: 'quantile_over_time(0.95, {…} | json | unwrap duration [{{.Step}}]) by ()'")
	}
	if err := onlyKeys(m, "a Loki source", write, "count", "ratio", "query", "pick"); err != nil {
		return 0, err
	}
	if m.Query == "" && len(m.Pick) > 0 {
		return 0, verifier.Invalid("pick", "is for query alone; the lines of count and ratio are picked by their selector")
	}
	if err := checkPick(m.Pick); err != nil {
		return 0, err
	}
	for _, text := range logQueries(m) {
		filled, err := Fill(LogQL, text, anySubject(text), briefly)
		if err != nil {
			return 0, err
		}
		w, err := checkLogQL(filled, m.Query != "")
		if err != nil {
			return 0, err
		}
		window = max(window, w)
	}
	return window, nil
}

// checkLogQL reads as much of a query as can be told without the grammar: its literals end, its brackets match, its ranges are
// durations, and a selector is one.
func checkLogQL(text string, numbers bool) (window time.Duration, err error) {
	tokens, err := tokensOf(text)
	if err != nil {
		return 0, err
	}
	var open []rune
	for i, t := range tokens {
		switch t.kind {
		case '(', '[', '{':
			open = append(open, t.kind)
			if t.kind == '[' {
				w, err := rangeAt(text, tokens, i)
				if err != nil {
					return 0, err
				}
				window = max(window, w)
			}
		case ')', ']', '}':
			if n := len(open); n == 0 || map[rune]rune{')': '(', ']': '[', '}': '{'}[t.kind] != open[n-1] {
				return 0, verifier.Invalid("query", "has a %c at character %d that nothing opens: %s", t.kind, t.at+1, text)
			}
			open = open[:len(open)-1]
		}
	}
	switch {
	case len(open) > 0:
		return 0, verifier.Invalid("query", "has a %c that nothing closes: %s", open[len(open)-1], text)
	case numbers && len(tokens) > 0 && tokens[0].kind == '{':
		return 0, verifier.Invalid("query", "gives lines; write one that gives a number at each moment, such as sum(count_over_time({…} [{{.Step}}])), or count: %s", text)
	case !numbers && (len(tokens) == 0 || tokens[0].kind != '{'):
		return 0, verifier.Invalid("query", "%s is no log selector; write one like {app=\"{{.Service}}\"} |= \"error\", or query: for LogQL that gives numbers", text)
	case !numbers && window > 0:
		return 0, verifier.Invalid("query", "has a range; write the selector alone, it is counted by steps: %s", text)
	}
	if window <= briefly {
		window = 0
	}
	return window, nil
}

type logToken struct {
	kind rune
	at   int // byte
}

// tokensOf splits a text as Loki's own scanner does.
func tokensOf(text string) (tokens []logToken, err error) {
	var s textscanner.Scanner
	s.Init(strings.NewReader(text))
	s.Mode = textscanner.ScanIdents | textscanner.ScanFloats | textscanner.ScanStrings | textscanner.ScanRawStrings | textscanner.ScanComments | textscanner.SkipComments
	s.Error = func(s *textscanner.Scanner, message string) {
		if err == nil && message != "invalid digit" && !strings.Contains(message, "number") && !strings.Contains(message, "exponent") {
			err = verifier.Invalid("query", "%s at character %d: %s", message, s.Position.Offset+1, text)
		}
	}
	for t := s.Scan(); t != textscanner.EOF; t = s.Scan() {
		if t == '#' {
			for c := s.Peek(); c != '\n' && c != textscanner.EOF; c = s.Peek() {
				s.Next()
			}
			continue
		}
		tokens = append(tokens, logToken{t, s.Position.Offset})
	}
	return tokens, err
}

func rangeAt(text string, tokens []logToken, open int) (time.Duration, error) {
	for _, t := range tokens[open:] {
		if t.kind == ']' {
			inside := strings.TrimSpace(text[tokens[open].at+1 : t.at])
			d, err := model.ParseDuration(inside)
			if err != nil {
				return 0, verifier.Invalid("query", "[%s] is no plain duration; write one such as [5m] or [{{.Step}}]", inside)
			}
			return time.Duration(d), nil
		}
	}
	return 0, verifier.Invalid("query", "has a [ that nothing closes: %s", text)
}

// streamsOf is the stream selector that a log selector begins with.
func streamsOf(text string) (string, error) {
	tokens, err := tokensOf(text)
	if err != nil {
		return "", err
	}
	for _, t := range tokens {
		if t.kind == '}' {
			return text[tokens[0].at : t.at+1], nil
		}
	}
	return "", verifier.Invalid("query", "%s has no stream selector", text)
}
