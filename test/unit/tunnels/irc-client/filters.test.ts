import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { filterIncoming } from "../../../../tunnels/irc-client/incoming.ts"
import { filterOutgoing } from "../../../../tunnels/irc-client/outgoing.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const out = (line: string, tellsNames = false) => filterOutgoing(line, { tellsNames })
const into = (line: string) => filterIncoming(line, { tellsNames: false })

describe("filterOutgoing()", () => {
  it.each([
    ["NICK ann", "NICK ann"],
    ["join #i2p key", "JOIN #i2p key"],
    ["PRIVMSG #i2p :hello there", "PRIVMSG #i2p :hello there"],
    ["PRIVMSG #i2p :\x01ACTION waves\x01", "PRIVMSG #i2p :\x01ACTION waves\x01"],
    ["MODE #i2p +o bob", "MODE #i2p +o bob"],
    ["USERHOST ann bob", "USERHOST ann bob"],
    ["CAP LS 302", "CAP LS 302"],
    ["CAP REQ :sasl message-tags", "CAP REQ :sasl message-tags"],
    ["AUTHENTICATE PLAIN", "AUTHENTICATE PLAIN"],
    ["USER root 10.1.2.3 server :Ann Real", "USER user hostname localhost :user"],
    ["USER", "USER user hostname localhost :user"],
    ["SETNAME :Ann Real", undefined],
    ["QUIT :WeeChat 4.1.1 on Debian", "QUIT :leaving"],
    ["PART #a,#b :http://my.program/", "PART #a,#b :leaving"],
    ["PING 1700000000", "PING :1700000000"],
    ["PING :LAG 10.0.0.1", "PING :1"],
    ["PONG :ann.lan", "PONG :127.0.0.1"],
    ["@+typing=active TAGMSG #a", undefined],
    ["@label=1;time=2020 PRIVMSG #a :x", "@label=1 PRIVMSG #a :x"],
  ])("%j leaves as %j", (line, expected) => {
    expect(out(line)).toBe(expected)
  })

  it("lets names pass that may be told, but no host behind them", () => {
    expect(out("USER ann 10.1.2.3 server :Ann Real", true)).toBe(
      "USER ann hostname localhost :Ann Real",
    )
    expect(out("USER ann@10.1.2.3 h s :Ann", true)).toBe("USER user hostname localhost :Ann")
  })

  it.each([
    ..."VERSION,PING 1,FINGER,CLIENTINFO,TIME,USERINFO,DCC SEND a 1 2 3,ACTION x\x01\x01VERSION"
      .split(",")
      .flatMap((word) => [
        `PRIVMSG a :\x01${word}\x01`,
        `NOTICE a :\x01${word}`,
        `NOTICE a :text \x01${word}\x01`,
        `PRIVMSG \x01${word.split(" ")[0]}\x01 :a`,
      ]),
    "NOTICE a :DCC Send file (10.0.0.1)",
    "PRIVMSG a :DCC CHAT chat 3232235777 1024",
    "TOPIC #a :\x01VERSION\x01",
    "@+typing=\x01VERSION\x01 TAGMSG #a",
    ":me!root@host.lan PRIVMSG a :x",
    ": QUIT :x",
    "@a :me@host NICK x",
    "",
    "   ",
    "XYZZY ann",
    "WEBIRC pw gate host 10.0.0.1",
    "__proto__ x",
    "CONSTRUCTOR x",
    "PRIVMSG a",
    "PRIVMSG a b c",
    "NICK a\0b",
    "NICK a\rQUIT :WeeChat",
  ])("B15: %j does not leave", (line) => {
    expect(out(line)).toBeUndefined()
  })

  it("B15: nothing leaves but known commands, one line each, whatever goes in", () => {
    const word = fc.constantFrom(
      ...[
        "USER",
        "PRIVMSG",
        "NOTICE",
        "QUIT",
        "PART",
        ":",
        " ",
        "@a",
        "\x01VERSION\x01",
        "DCC SEND",
      ],
      ...["10.0.0.7", "root", "\0", "\r", "\n", "PING", "PONG", "TAGMSG", "NICK", "#a", "é"],
    )
    const text = fc.array(fc.oneof(word, fc.string({ maxLength: 6 })), { maxLength: 9 })
    fc.assert(
      fc.property(text, fc.constantFrom("", " "), (words, space) => {
        const line = out(words.join(space))
        if (line === undefined) return
        expect(["\0", "\r", "\n"].some((end) => line.includes(end))).toBe(false)
        expect(line.includes("\x01VERSION")).toBe(false)
        expect(line).toMatch(/^(?:@\S+ )?[A-Z]+(?: |$)/)
        if (/^(?:USER|QUIT|PONG) /.test(line)) expect(line).not.toMatch(/10\.0\.0\.7|root/)
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

describe("filterIncoming()", () => {
  it.each([
    [":irc.i2p 001 ann :Welcome", ":irc.i2p 001 ann :Welcome"],
    [":bob!b@x.b32.i2p PRIVMSG ann :hi you", ":bob!b@x.b32.i2p PRIVMSG ann :hi you"],
    [":bob PRIVMSG #a :\x01ACTION waves\x01", ":bob PRIVMSG #a :\x01ACTION waves\x01"],
    ["@time=2020;account=bob :bob JOIN #a", "@time=2020;account=bob :bob JOIN #a"],
    ["AUTHENTICATE +", "AUTHENTICATE +"],
    ["PING :irc.example.i2p", "PING 127.0.0.1"],
    ["ERROR :Closing link", "ERROR :Closing link"],
    [":bob PRIVMSG ann :\x01VERSION\x01", undefined],
    [":bob NOTICE ann :x \x01PING 1\x01", undefined],
    [":bob PRIVMSG ann :DCC SEND a 1 2 3", undefined],
    [":s DCCALLOW x", undefined],
    [":s 0011 x", undefined],
    ["", undefined],
  ])("%j arrives as %j", (line, expected) => {
    expect(into(line)).toBe(expected)
  })

  it("gives each side the words it waits for in PONG", () => {
    const memory = { tellsNames: false }
    filterIncoming("PING :cookie-77", memory)
    expect(filterOutgoing("PONG 127.0.0.1", memory)).toBe("PONG :cookie-77")
    filterOutgoing("PING :my lag 1", memory)
    expect(filterIncoming(":irc.i2p PONG irc.i2p :1", memory)).toBe(
      ":127.0.0.1 PONG 127.0.0.1 :my lag 1",
    )
  })
})
