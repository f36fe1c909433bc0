// Package selector chooses messages by their headers, with the expressions that JMS 1.1 section 3.8.1 takes from the conditions of SQL-92: the header
// DSSelector of LCDS and BlazeDS. Bodies are never looked at.
//
//	country IN ('UK', 'US') AND price * 1.2 BETWEEN 5 AND 10 AND word LIKE 'l_se%' AND note IS NULL
//
// A [Selector] is compiled once and never changes: any number of goroutines may match with it. A match allocates nothing, takes no lock, and looks at
// each part of the expression once at most; LIKE takes a time in proportion to the text it looks at. The time and memory of compiling are in proportion
// to the selector, which [MaxLength] bounds (BenchmarkCompile). Nothing here blocks or starts a goroutine.
//
// # What matches
//
// A header is named by an identifier as Java has them, which may hold dots as well, is case-sensitive and none of the keywords; keywords are not
// case-sensitive. A header that is absent is unknown, and so is what is calculated from it; a comparison with what is unknown, and LIKE, IN and
// BETWEEN of it, is neither true nor false. NOT, AND and OR know the three (NOT unknown is unknown, unknown AND FALSE is FALSE, unknown OR TRUE
// is TRUE), and a message matches when all of it is TRUE. Only IS NULL and IS NOT NULL turn what is unknown into an answer.
//
// Numbers are compared exactly, integers of 64 bits with floats too. Text and booleans are equal or not, nothing else. A comparison of what cannot be
// compared, a header that has text with a number, is FALSE whatever its operator (JMS 1.1 section 3.8.1.1), <> and the operators with NOT before them
// among them; and where the expression itself shows that two things can never be compared, it is refused. So is what cannot be calculated.
// A header of another type where a number or a boolean is wanted is unknown.
//
// In a pattern of LIKE, % is any run of characters, none too, and _ is one character of Unicode; after the character of ESCAPE any character
// is itself. Letters match in their own case alone.
//
// # What differs from JMS
//
// Arithmetic of integers whose result does not fit 64 bits goes on with floats, where Java wraps; a division by zero is unknown, where Java throws.
// (Integers are divided as in Java: 7/2 is 3.) Octal numbers, those with a leading zero, are refused, because few mean them. LIKE, IN, BETWEEN and
// IS NULL take any expression of their type, not only the name of a header. A piece of a pattern between two % may not be longer than [MaxPiece] if it
// has _. No selector at all, which JMS writes as empty text, is for the caller to tell: here it is an error.
package selector
