package cases

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"verifier"
)

// The bounds of what is read: a line of the longest case that can be judged is far below.
const (
	mostLine    = 64 << 20
	mostSamples = 1_000_000
	mostSteps   = 100_000 // of one watch
	latest      = 1e11    // seconds: beyond the year 5000 it is milliseconds
)

// The words of the file.
type (
	wireCase struct {
		ID         string       `json:"id"`
		Service    string       `json:"service"`
		DeployedAt *float64     `json:"deployed_at"`
		Until      *float64     `json:"until"`
		Step       *float64     `json:"step"`
		Series     []wireSeries `json:"series"`
		Label      *wireLabel   `json:"label"`
	}
	wireSeries struct {
		Name     string            `json:"name"`
		Kind     Kind              `json:"kind"`
		Worse    verifier.Worse    `json:"worse"`
		Unit     string            `json:"unit"`
		Deployed []json.RawMessage `json:"deployed"`
		Control  []json.RawMessage `json:"control"`
	}
	wireLabel struct {
		Bad   bool     `json:"bad"`
		Onset *float64 `json:"onset"`
		Kind  string   `json:"kind"`
		Group string   `json:"group"`
	}
)

// Open reads all cases of a file, gzipped where it says so by itself. See [Read].
func Open(path string) ([]Case, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f, path)
}

// Read reads all cases; name is what errors call the file. Cases that can be read are returned together with the errors of the
// others, each of which wraps verifier.ErrInvalid and names line, case and place.
func Read(r io.Reader, name string) ([]Case, error) {
	buffered := bufio.NewReader(r)
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		buffered = bufio.NewReader(unzipped)
	}
	lines := bufio.NewScanner(buffered)
	lines.Buffer(make([]byte, 0, 1<<16), mostLine)
	var out []Case
	var problems []error
	seen := map[string]int{}
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		c, err := parse(line)
		if err == nil && seen[c.ID] > 0 {
			err = fmt.Errorf("the same id is on line %d", seen[c.ID])
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%w: %s:%d: %s%w", verifier.ErrInvalid, name, n, caseName(c.ID), err))
			continue
		}
		c.Line, seen[c.ID] = n, n
		out = append(out, c)
	}
	if err := lines.Err(); err != nil {
		problems = append(problems, fmt.Errorf("%s: %w", name, err))
	}
	return out, errors.Join(problems...)
}

func caseName(id string) string {
	if id == "" {
		return ""
	}
	return "case " + id + ": "
}

func parse(line []byte) (Case, error) {
	var w wireCase
	if err := json.Unmarshal(line, &w); err != nil {
		return Case{ID: w.ID}, fmt.Errorf("this is no case: %w", err)
	}
	c := Case{ID: w.ID, Service: w.Service}
	if err := w.check(); err != nil {
		return c, err
	}
	c.DeployedAt, c.Until = at(*w.DeployedAt), at(*w.Until)
	c.Step = time.Duration(math.Round(*w.Step*1000)) * time.Millisecond
	names := map[string]bool{}
	for i, ws := range w.Series {
		s, err := ws.parse()
		if err == nil && names[ws.Name] {
			err = errors.New("there are two of this name")
		}
		if err != nil {
			return c, fmt.Errorf("series %s: %w", cmpName(ws.Name, i), err)
		}
		names[ws.Name] = true
		c.Series = append(c.Series, s)
	}
	if w.Label != nil {
		c.Label = &Label{Bad: w.Label.Bad, Kind: w.Label.Kind, Group: w.Label.Group}
		if w.Label.Onset != nil {
			c.Label.Onset = at(*w.Label.Onset)
		}
	}
	return c, nil
}

func cmpName(name string, i int) string {
	if name == "" {
		return fmt.Sprintf("number %d", i+1)
	}
	return name
}

func (w wireCase) check() error {
	number := func(name string, x *float64) error {
		switch {
		case x == nil:
			return fmt.Errorf("%s is missing; write seconds", name)
		case *x < 0 || *x > latest:
			return fmt.Errorf("%s is %g; write unix seconds", name, *x)
		}
		return nil
	}
	if w.ID == "" {
		return errors.New("id is missing")
	}
	for _, err := range []error{number("deployed_at", w.DeployedAt), number("until", w.Until), number("step", w.Step)} {
		if err != nil {
			return err
		}
	}
	watch := *w.Until - *w.DeployedAt
	switch {
	case *w.Step < 0.001:
		return fmt.Errorf("step is %g; write seconds, more than 0", *w.Step)
	case watch <= 0:
		return fmt.Errorf("until is %g, not after deployed_at, %g", *w.Until, *w.DeployedAt)
	case watch / *w.Step > mostSteps:
		return fmt.Errorf("the watch has %.0f steps; at most %d are judged", watch / *w.Step, mostSteps)
	case len(w.Series) == 0:
		return errors.New("series is empty: there is nothing to judge")
	}
	return nil
}

func (w wireSeries) parse() (Series, error) {
	s := Series{Name: w.Name, Kind: w.Kind, Worse: w.Worse, Unit: w.Unit}
	if problem := verifier.PlainNameProblem(w.Name); problem != "" {
		return s, errors.New(problem)
	}
	if w.Kind != Count && w.Kind != Ratio && w.Kind != Value {
		return s, fmt.Errorf("kind is %q; write count, ratio or value", w.Kind)
	}
	if w.Worse != verifier.Higher && w.Worse != verifier.Lower && w.Worse != verifier.Either {
		return s, fmt.Errorf("worse is %q; write higher, lower or either", w.Worse)
	}
	var err error
	if s.Deployed, err = samples(w.Deployed, w.Kind); err != nil {
		return s, fmt.Errorf("deployed: %w", err)
	}
	if s.Control, err = samples(w.Control, w.Kind); err != nil {
		return s, fmt.Errorf("control: %w", err)
	}
	return s, nil
}

func samples(raw []json.RawMessage, kind Kind) ([]verifier.Sample, error) {
	if len(raw) > mostSamples {
		return nil, fmt.Errorf("%d samples; at most %d are judged", len(raw), mostSamples)
	}
	out := make([]verifier.Sample, 0, len(raw))
	for i, text := range raw {
		s, err := sample(text, kind)
		if err == nil && i > 0 && s.T.Before(out[i-1].T) {
			err = fmt.Errorf("its time %s is before that of the sample before", bytes.TrimSpace(text))
		}
		if err != nil {
			return nil, fmt.Errorf("sample %d: %w", i+1, err)
		}
		out = append(out, s)
	}
	return together(out, kind), nil
}

func sample(text json.RawMessage, kind Kind) (verifier.Sample, error) {
	var numbers []*float64
	if err := json.Unmarshal(text, &numbers); err != nil {
		return verifier.Sample{}, fmt.Errorf("%s is no list of numbers: %w", short(text), err)
	}
	if len(numbers) != 2 && (kind != Count || len(numbers) != 3) {
		return verifier.Sample{}, fmt.Errorf("%s has %d numbers; write [time, value], and for a count [time, count, exposure] too", short(text), len(numbers))
	}
	for _, x := range numbers {
		if x == nil {
			return verifier.Sample{}, fmt.Errorf("%s holds a null; leave samples that are missing out", short(text))
		}
	}
	t, value := *numbers[0], *numbers[1]
	s := verifier.Sample{T: at(t), Value: value}
	switch {
	case t < 0 || t > latest:
		return s, fmt.Errorf("%s: the time is %g; write unix seconds", short(text), t)
	case kind == Ratio && (value < 0 || value > 1):
		return s, fmt.Errorf("%s: a ratio is between 0 and 1", short(text))
	case kind == Count && value < 0:
		return s, fmt.Errorf("%s: a count is not negative", short(text))
	}
	if kind == Count {
		s.Count = value
	}
	if len(numbers) == 3 {
		s.Exposure = *numbers[2]
		if s.Exposure < 0 || s.Count > s.Exposure && s.Exposure > 0 || s.Exposure == 0 && s.Count > 0 {
			return s, fmt.Errorf("%s: %g events among %g; the exposure holds the events too", short(text), s.Count, s.Exposure)
		}
	}
	return s, nil
}

func short(text []byte) string {
	const most = 60
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
