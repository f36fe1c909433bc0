// Command sluice is a real-time messaging server, and the small tools that go with it: a check of its configuration, a publisher, a
// subscriber, a load generator and a maker of password lines. "sluice --help" lists them; without a command it serves.
//
// It exits with 0 when all went well, with 1 when something failed, which a sentence on standard error explains, and with 2 when the
// command line was wrong. A first SIGTERM or SIGINT ends any of them in order, a second one at once, with 1.
package main
