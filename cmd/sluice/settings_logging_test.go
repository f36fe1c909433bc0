package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// loggingProbes are of what stands on standard error.
func loggingProbes() []probe {
	target := func(text string) page { return page{"logging": text} }
	const info = "1 lines: info Startup"
	return []probe{
		{setting: "logging/level", add: target("<level>Debug</level>"), see: logged, want: seen(info, "2 lines: debug Client.FlexClient, info Startup")},
		{setting: "logging/level", common: target("<target/>"), add: target("<level>None</level>"), see: logged, want: seen(info, "0 lines")},
		{setting: "logging/target", common: target("<target/>"), add: target("<target/>"), see: logged, want: seen(info, "2 lines: info Startup")},
		{setting: "logging/target/level", common: target("<level>Warn</level>"), add: target(`<target level="Info"/>`), see: logged, want: seen("0 lines", info)},
		{setting: "logging/target/properties/format", common: target("<target/>"), instead: target("<target><properties><format>console</format></properties></target>"),
			see: logged, want: seen(info, "1 lines: INF shutting down")},
		{setting: "logging/target/properties/format", common: target("<target><properties><format>console</format></properties></target>"), instead: target("<target><properties><format>json</format></properties></target>"),
			see: logged, want: seen("1 lines: INF shutting down", info)},
		{setting: "logging/target/properties/prefix", common: target("<target/>"), instead: target("<target><properties><prefix>[here] </prefix></properties></target>"),
			see: logged, want: seen(info, "1 lines: [here]info Startup")},
		{setting: "logging/target/properties/prefix", common: target("<target><properties><format>console</format></properties></target>"),
			instead: target("<target><properties><format>console</format><prefix>[here]</prefix></properties></target>"),
			see:     logged, want: seen("1 lines: INF shutting down", "1 lines: INF [here]shutting down")},
		{setting: "logging/target/filters/pattern", common: target(`<target level="All"/>`), instead: target(`<target level="All"><filters><pattern>Start*</pattern><pattern>Service</pattern></filters></target>`),
			see: logged, want: seen("2 lines: debug Client.FlexClient, info Startup", info)},
	}
}

// logged lets a client come, ends the server, and says how many lines the log has of that, and their levels and categories.
func logged(w *world) string {
	w.welcome("/longpoll")
	w.stop()
	var kinds []string
	n := 0
	for text := range strings.Lines(w.log.String()) {
		if !strings.Contains(text, "client created") && !strings.Contains(text, "shutting down") {
			continue
		}
		n++
		var line struct{ Prefix, Level, Category string }
		kind := ""
		if json.Unmarshal([]byte(text), &line) == nil {
			kind = strings.TrimSpace(line.Prefix + line.Level + " " + line.Category)
		} else if _, rest, ok := strings.Cut(text, " "); ok { // behind the time
			kind, _, _ = strings.Cut(rest, " category=")
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return strings.TrimSuffix(fmt.Sprintf("%d lines: %s", n, strings.Join(kinds, ", ")), ": ")
}
