package outbound

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// forbidden are the addresses where a machine tells its own secrets: link-local, and the metadata services outside of it.
func forbidden() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("fd00:ec2::254/128"),
		netip.MustParsePrefix("fd20:ce::254/128"),
		netip.MustParsePrefix("100.100.100.200/32"),
		netip.MustParsePrefix("64:ff9b::a9fe:0/112"), // 169.254.0.0/16 through NAT64
	}
}

// guard checks each resolved address just before it is connected to.
func guard(allow []netip.Prefix) func(context.Context, string, string, syscall.RawConn) error {
	deny := forbidden()
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return refused("address %q is no IP address with a port", address)
		}
		ip := ap.Addr().Unmap().WithZone("")
		holds := func(p netip.Prefix) bool { return p.Contains(ip) }
		if slices.ContainsFunc(deny, holds) && !slices.ContainsFunc(allow, holds) {
			return refused("address %s is link-local or serves cloud metadata; allow it explicitly if it is meant", ip)
		}
		return nil
	}
}

// Dial is how clients that bring their own transport connect: with New's address guard, and at most MaxBytes read from a connection.
func Dial(c Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := dialer(c)
	most := cmp.Or(c.MaxBytes, defaultMaxBytes)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &boundedConn{Conn: conn, left: most, max: most}, nil
	}
}

// boundedConn is a connection that fails once more than max bytes came in.
type boundedConn struct {
	net.Conn
	left, max int64
}

func (b *boundedConn) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLarge(b.max)
	}
	n, err := b.Conn.Read(p)
	b.left -= int64(n)
	return n, err
}
