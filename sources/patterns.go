package sources

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"verifier"
	"verifier/words"
)

// The bounds of one drain: what it holds does not grow with what it reads.
const (
	mostPatterns = 300
	mostMessages = 100_000
	mostWords    = 40   // of a message; the rest is one word more
	mostWordLen  = 64   // bytes
	mostRead     = 2000 // bytes of a message
	mostSample   = 300  // bytes
	mostChildren = 100  // of one node; further words share the child of AnyWord
	mostCached   = 5000
)

var errNoMessage = errors.New("fields.message is empty, and patterns are of messages; name the field that holds them")

// drain groups messages into patterns as they come: a tree of fixed depth (number of words, first word, second word) leads to a few
// patterns, of which the one that is most alike takes the message (He et al., Drain, ICWS 2017).
type drain struct {
	masks    *masks
	tree     map[int]*drainNode
	patterns []*cluster
	cache    map[string]*cluster // whole messages, masked
	messages int
	most     int // messages that are grouped
	beyond   int // messages after these
	others   int // messages of patterns after the most that are kept
}

type drainNode struct {
	children map[string]*drainNode
	patterns []*cluster
}

// cluster is one pattern that grows more general.
type cluster struct {
	words  []string
	sample string
}

func newDrain(m *masks) *drain {
	return &drain{masks: m, most: m.most, tree: map[int]*drainNode{}, cache: map[string]*cluster{}}
}

// add finds the message's pattern; nil where a bound is reached.
func (d *drain) add(message string) *cluster {
	if d.messages >= d.most {
		d.beyond++
		return nil
	}
	d.messages++
	message = d.masks.own(cut(message, mostRead))
	words := templateWords(message)
	key := strings.Join(words, " ")
	if c := d.cache[key]; c != nil {
		return c
	}
	c := d.find(words)
	if c == nil {
		c = d.create(message)
	}
	if c == nil {
		d.others++
		return nil
	}
	if len(d.cache) < mostCached {
		d.cache[key] = c
	}
	return c
}

// find gives the pattern that is most alike, made general enough for the words.
func (d *drain) find(words []string) *cluster {
	node := d.node(words, false)
	if node == nil {
		return nil
	}
	var best *cluster
	most := 0.0
	for _, c := range node.patterns {
		if share, alike := verifier.TemplatesAlike(c.words, words); alike && share > most && c.mayTake(words) {
			if best, most = c, share; share == 1 {
				break
			}
		}
	}
	if best != nil {
		best.take(words)
	}
	return best
}

// create keeps a new pattern. Secrets are masked only here: what is in no first message of a pattern is in no template.
func (d *drain) create(message string) *cluster {
	if len(d.patterns) >= mostPatterns {
		return nil
	}
	masked := d.masks.secrets(printable(message))
	words := templateWords(masked)
	if masked != message {
		if c := d.find(words); c != nil {
			return c
		}
	}
	c := &cluster{words: words}
	if d.masks.samples {
		c.sample = cut(strings.Join(strings.Fields(masked), " "), mostSample)
	}
	d.patterns = append(d.patterns, c)
	node := d.node(words, true)
	node.patterns = append(node.patterns, c)
	return c
}

// node is the leaf for the words; nil where there is none and none is to be made.
func (d *drain) node(words []string, create bool) *drainNode {
	node := d.tree[len(words)]
	if node == nil {
		if !create {
			return nil
		}
		node = &drainNode{children: map[string]*drainNode{}}
		d.tree[len(words)] = node
	}
	for _, word := range words[:min(2, len(words))] {
		if node = node.child(verifier.NumberWord(word), create); node == nil {
			return nil
		}
	}
	return node
}

func (n *drainNode) child(word string, create bool) *drainNode {
	if c := n.children[word]; c != nil {
		return c
	}
	if len(n.children) >= mostChildren {
		word = verifier.AnyWord
	}
	c := n.children[word]
	if c == nil && create {
		c = &drainNode{children: map[string]*drainNode{}}
		n.children[word] = c
	}
	return c
}

// mayTake keeps half of the words: a pattern of nothing but AnyWord would take all there is.
func (c *cluster) mayTake(words []string) bool {
	open := 0
	for i, w := range c.words {
		if w == verifier.AnyWord || w != words[i] && verifier.NumberWord(w) != verifier.NumberWord(words[i]) {
			open++
		}
	}
	return open*2 <= len(words)
}

func (c *cluster) take(words []string) {
	for i, w := range c.words {
		switch {
		case w == words[i]:
		case verifier.NumberWord(w) == verifier.NumberWord(words[i]):
			c.words[i] = verifier.NumberWord(w)
		default:
			c.words[i] = verifier.AnyWord
		}
	}
}

// templateWords are the words of a message, its variables masked.
func templateWords(message string) []string {
	words := make([]string, 0, 16)
	for word := range strings.FieldsSeq(message) {
		if len(words) == mostWords {
			return append(words, "…")
		}
		words = append(words, cut(maskWord(word), mostWordLen))
	}
	if len(words) == 0 {
		return append(words, "<empty>")
	}
	return words
}

// Template is the pattern of a message, or of a template, by the variables that every source knows.
func Template(text string) string {
	return strings.Join(templateWords((&masks{}).secrets(printable(cut(text, mostRead)))), " ")
}

// printable is the text without what would upset a terminal or a chat.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}

// missed says what was not grouped; empty where all was.
func (d *drain) missed() string {
	switch {
	case d.beyond > 0:
		return fmt.Sprintf("patterns are of the first %s of %s messages", words.Number(float64(d.messages)), words.Number(float64(d.messages+d.beyond)))
	case d.others > 0:
		return fmt.Sprintf("more than %d patterns: %s messages are of none that is kept", mostPatterns, words.Number(float64(d.others)))
	}
	return ""
}

// counted are the patterns with how often each was seen, in order of their first messages.
func (d *drain) counted(seen map[*cluster]float64) []verifier.Pattern {
	var out []verifier.Pattern
	for _, c := range d.patterns {
		if n := seen[c]; n > 0 {
			out = append(out, verifier.Pattern{Template: strings.Join(c.words, " "), Count: n, Sample: c.sample})
		}
	}
	return out
}

// cut is at most so many bytes of the text, in whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return strings.ToValidUTF8(text, "�")
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
