package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"verifier"
)

// maxEvidence bounds the blob of one rule and arm, compressed; older steps are merged above it.
const maxEvidence = 16 << 10

var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10)) // unreachable error: fixed options
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20), zstd.WithDecoderLowmem(true)) // unreachable error: fixed options
		return d
	})
)

// fewSamples are so few that no arm of them can be too big.
const fewSamples = 256

// pack compresses the evidence of one verification, each rule and arm of it cut down to its bound.
func pack(list []verifier.Evidence) ([]byte, error) {
	list = slices.Clone(list)
	for i := range list {
		if err := bound(&list[i]); err != nil {
			return nil, err
		}
	}
	return compress(list)
}

// bound merges older steps until the evidence of this rule and arm is small enough.
func bound(e *verifier.Evidence) error {
	for len(e.Samples) > fewSamples || hasPatterns(e.Samples) {
		blob, err := compress(e)
		if err != nil || len(blob) <= maxEvidence {
			return err
		}
		if len(e.Samples) <= fewSamples && thinPatterns(e) {
			continue
		}
		e.Samples = mergeOlder(e.Samples)
	}
	return nil
}

func compress(evidence any) ([]byte, error) {
	text, err := json.Marshal(evidence)
	if err != nil {
		return nil, fmt.Errorf("pack evidence: %w", err)
	}
	return encoder().EncodeAll(text, nil), nil
}

func unpack(blob []byte) ([]verifier.Evidence, error) {
	text, err := decoder().DecodeAll(blob, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack evidence: %w", err)
	}
	var list []verifier.Evidence
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("unpack evidence: %w", err)
	}
	return list, nil
}

// mergeOlder merges neighbours of the older half: counts and exposures add up, values are averaged by exposure.
func mergeOlder(samples []verifier.Sample) []verifier.Sample {
	half := len(samples) / 2
	var out []verifier.Sample
	for i := 0; i+1 < half; i += 2 {
		out = append(out, merge(samples[i], samples[i+1]))
	}
	if half%2 == 1 {
		out = append(out, samples[half-1])
	}
	return append(out, samples[half:]...)
}

func merge(a, b verifier.Sample) verifier.Sample {
	m := verifier.Sample{T: b.T, Count: a.Count + b.Count, Exposure: a.Exposure + b.Exposure, Patterns: mergePatterns(a.Patterns, b.Patterns), Steps: a.Width() + b.Width()}
	switch {
	case a.Value == a.Count && b.Value == b.Count:
		m.Value = m.Count
	case m.Exposure > 0:
		m.Value = (a.Value*a.Exposure + b.Value*b.Exposure) / m.Exposure
	default:
		m.Value = (a.Value + b.Value) / 2
	}
	return m
}
