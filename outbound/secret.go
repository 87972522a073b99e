package outbound

import (
	"fmt"
	"io"
	"os"
	"strings"

	"verifier"
)

// Secret is a text that no log, error or document shows. Reveal gives it.
type Secret string

const hidden = "<secret>"

// String hides the secret; an empty one stays empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides it from %#v.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// MarshalText hides it from JSON and from loggers.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text as it is.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = Secret(b)
	return nil
}

// MarshalYAML hides it from YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// Reveal is the secret itself, for putting it on the wire.
func (s Secret) Reveal() string { return string(s) }

// ReadSecret is the value, or what the file holds without blanks around it. Only one of both may be given; none is an empty secret.
func ReadSecret(value, file string) (Secret, error) {
	switch {
	case file == "":
		return Secret(value), nil
	case value != "":
		return "", verifier.Invalid("secret", "is given twice, as a value and as the file %s; keep one", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", verifier.Invalid("secret", "file %s is empty", file)
	}
	return Secret(s), nil
}
