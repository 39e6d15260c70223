package main

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"

	"golang.org/x/net/dns/dnsmessage"
)

// names answers A questions for the cluster's Services over UDP: ClusterIPs,
// the ready endpoints of headless Services, their hostnames, and external
// names. There is nothing to forward other questions to: no such name.
type names struct {
	suffix   string // "svc.cluster.local."
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

func newNames(f informers.SharedInformerFactory, domain string) *names {
	n := &names{suffix: "svc." + domain + ".", services: f.Core().V1().Services().Lister(), slices: f.Discovery().V1().EndpointSlices().Lister()}
	f.Core().V1().Services().Informer()
	f.Discovery().V1().EndpointSlices().Informer()
	return n
}

func (n *names) serve(addr string) error {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	slog.Info("cluster DNS answers", "addr", addr)
	buf := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		if out := n.answer(buf[:size]); out != nil {
			_, _ = conn.WriteTo(out, from)
		}
	}
}

const nameTTL = 5

func (n *names) answer(in []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(in)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	alias, addrs, found := n.lookup(strings.ToLower(q.Name.String()))
	rcode := dnsmessage.RCodeSuccess
	if !found {
		rcode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true, RCode: rcode})
	b.EnableCompression()
	_ = b.StartQuestions()
	_ = b.Question(q)
	_ = b.StartAnswers()
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: nameTTL}
	if alias != "" {
		if name, err := dnsmessage.NewName(strings.TrimSuffix(alias, ".") + "."); err == nil {
			_ = b.CNAMEResource(head, dnsmessage.CNAMEResource{CNAME: name})
		}
	}
	if q.Type == dnsmessage.TypeA {
		for i, a := range addrs {
			if i == 25 { // more would not fit a plain datagram
				break
			}
			_ = b.AResource(head, dnsmessage.AResource{A: a.As4()})
		}
	}
	out, err := b.Finish()
	if err != nil {
		return nil
	}
	return out
}

// lookup finds SERVICE.NAMESPACE.svc… and HOSTNAME.SERVICE.NAMESPACE.svc….
func (n *names) lookup(name string) (alias string, addrs []netip.Addr, found bool) {
	rest, ok := strings.CutSuffix(name, "."+n.suffix)
	if !ok {
		return "", nil, false
	}
	words := strings.Split(rest, ".")
	host := ""
	if len(words) == 3 {
		host, words = words[0], words[1:]
	}
	if len(words) != 2 {
		return "", nil, false
	}
	s, err := n.services.Services(words[1]).Get(words[0])
	if err != nil {
		return "", nil, false
	}
	switch {
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		return s.Spec.ExternalName, nil, host == ""
	case s.Spec.ClusterIP != corev1.ClusterIPNone:
		a, err := netip.ParseAddr(s.Spec.ClusterIP)
		if err != nil || host != "" {
			return "", nil, false
		}
		return "", []netip.Addr{a}, true
	}
	addrs = n.endpoints(s, host)
	return "", addrs, host == "" || len(addrs) > 0
}

func (n *names) endpoints(s *corev1.Service, host string) []netip.Addr {
	slices, err := n.slices.EndpointSlices(s.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: s.Name}))
	if err != nil {
		return nil
	}
	seen := map[netip.Addr]bool{}
	var out []netip.Addr
	for _, slice := range slices {
		for _, e := range slice.Endpoints {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready || s.Spec.PublishNotReadyAddresses
			named := host == "" || e.Hostname != nil && *e.Hostname == host
			if !ready || !named {
				continue
			}
			for _, text := range e.Addresses {
				if a, err := netip.ParseAddr(text); err == nil && a.Is4() && !seen[a] {
					seen[a] = true
					out = append(out, a)
				}
			}
		}
	}
	return out
}
