// Command sluice is a real-time messaging server, and the small tools that go with it: a check of its configuration, a publisher, a
// subscriber, a load generator and a maker of password lines. "sluice --help" lists them; without a command it serves.
//
// It exits with 0 when all went well, with 1 when something failed, which a sentence on standard error explains, and with 2 when the
// command line was wrong; "bench --soak" with 3 when the machine left it without a verdict. A first SIGTERM or SIGINT ends any of them in
// order, a second one at once, with 1: a server then tells its clients in passing, and waits for nobody.
package main
