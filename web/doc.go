// Package web holds what browsers get: the page at "/", and the built client: sluice.js, sluice.mjs and its declarations, and
// sluice-shared.mjs with its own, which gives all tabs of a browser one connection.
//
// The files are compiled into the program, so a server needs nothing beside its binary. The client's source is in web/client, which
// is a TypeScript package of its own; its build is committed in web/static, and `npm run check-build` says whether the two agree.
package web
