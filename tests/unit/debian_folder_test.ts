/** The folder with another Debian: which mirror it takes, what it finds mounted, and whom it refuses. */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { mirrorOf, mountsIn } from "../../tools/debian_folder.ts";

Deno.test("mirrorOf() gives Debian's own mirror when apt has others too", () => {
  const targets = [
    "Google|Packages|https://packages.example/apt/",
    "Debian|Debian-Security|http://security.example/debian-security/",
    "Debian|Debian|https://mirror.example/debian/",
    "Debian|Debian|http://other.example/debian/",
  ];
  assertEquals(mirrorOf(targets.join("\n")), "https://mirror.example/debian");
});

Deno.test("mirrorOf() gives null when Debian's packages come from a disc or another distribution", () => {
  assertEquals(mirrorOf("Debian|Debian|cdrom:[Debian]/\nUbuntu|Ubuntu|http://archive.example/ubuntu/"), null);
});

Deno.test("mountsIn() finds what is mounted in a folder, and nothing beside it, when names have blanks", () => {
  const mountinfo = [
    "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
    "30 21 0:22 / /var/a\\040folder/proc rw - proc proc rw",
    "31 21 0:6 / /var/a\\040folder-2/dev rw - devtmpfs udev rw",
    "32 21 254:0 /x /var/a\\040folder rw - ext4 /dev/vda rw",
    "",
  ].join("\n");
  assertEquals(mountsIn("/var/a folder", mountinfo), ["/var/a folder/proc", "/var/a folder"]);
  assertEquals(mountsIn("/var/b", mountinfo), []);
});

for (
  const [args, code, expected] of [
    [["--suite", "../x"], 2, `Error: --suite is "../x"\nHint: expected a name of Debian's, such as trixie or sid.\n`],
    [["--suit", "sid"], 2, "Error: unknown option --suit; did you mean --suite?\n"],
  ] as const
) {
  Deno.test(`test:mesa refuses ${args.join(" ")} with exit code ${code} when it starts`, async () => {
    const result = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--allow-all",
        fileURLToPath(new URL("../../tools/test_mesa.ts", import.meta.url)),
        ...args,
      ],
    }).output();
    const stderr = new TextDecoder().decode(result.stderr);
    assertEquals([result.code, stderr.slice(0, expected.length)], [code, expected]);
  });
}
