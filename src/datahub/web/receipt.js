// Verifies a receipt (.tlog-proof) against a trust policy, in the browser alone: WebCrypto for SHA-256 and Ed25519.
// C2SP tlog-proof, signed-note, tlog-cosignature, tlog-policy; RFC 9162 §2.1.3.2. Nothing is sent anywhere.
"use strict";

const ED25519 = 1, ED25519_COSIGNATURE = 4, ML_DSA_44 = 6;
const utf8 = new TextEncoder();

class Wrong extends Error {}

function need(condition, sentence) {
  if (!condition) throw new Wrong(sentence);
}

function bytesOf(base64, what) {
  need(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64), `${what} is not base64`);
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const leafHash = (entry) => sha256(joined([0], entry));
const nodeHash = (left, right) => sha256(joined([1], left, right));

function numberOf(text, what) {
  need(/^(?:0|[1-9][0-9]{0,18})$/.test(text), `${what} is not a decimal number`);
  return BigInt(text);
}

async function keyOf(vkey) {
  const [name, id, ...rest] = vkey.split("+");
  const data = bytesOf(rest.join("+"), "a key");
  const digest = await sha256(joined(utf8.encode(name + "\n"), data));
  need(name && hex(digest.slice(0, 4)) === id, "the id of a key in the trust policy is not its own");
  return { name, id, type: data[0], bytes: data.slice(1) };
}

// A trust policy: logs, witnesses, groups and one quorum line (C2SP tlog-policy).
async function readPolicy(text) {
  const policy = { logs: [], witnesses: new Map(), groups: [], quorum: null };
  const names = new Set();
  for (const line of text.split("\n")) {
    const words = line.split(/[ \t]+/).filter(Boolean);
    if (!words.length || words[0].startsWith("#")) continue;
    const [kind, ...rest] = words;
    if (kind === "log") {
      policy.logs.push(await keyOf(rest[0] ?? ""));
    } else if (kind === "witness") {
      need(rest.length >= 2 && !names.has(rest[0]), "a witness line of the trust policy is not right");
      policy.witnesses.set(rest[0], await keyOf(rest[1]));
      names.add(rest[0]);
    } else if (kind === "group") {
      const [name, threshold, ...members] = rest;
      const count = { any: 1, all: members.length }[threshold] ?? Number(numberOf(threshold ?? "", "a threshold"));
      need(members.every((each) => names.has(each)) && new Set(members).size === members.length && !names.has(name)
        && count >= 1 && count <= members.length, "a group line of the trust policy is not right");
      policy.groups.push({ name, count, members });
      names.add(name);
    } else {
      need(kind === "quorum" && rest.length === 1 && policy.quorum === null, "a line of the trust policy is not right");
      need(rest[0] === "none" || names.has(rest[0]), "the quorum names nobody");
      policy.quorum = rest[0];
    }
  }
  need(policy.quorum !== null, "the trust policy has no quorum line");
  return policy;
}

function readNote(text) {
  const end = text.lastIndexOf("\n\n");
  need(end > 0 && text.endsWith("\n"), "the receipt holds no signed checkpoint");
  const signed = text.slice(0, end + 1);
  const signatures = text.slice(end + 2, -1).split("\n").map((line) => {
    const parts = /^\u2014 ([^ +]+) (\S+)$/.exec(line);
    need(parts, "a signature line is not right");
    const data = bytesOf(parts[2], "a signature");
    return { name: parts[1], id: hex(data.slice(0, 4)), value: data.slice(4) };
  });
  const [origin, size, root, ...rest] = signed.split("\n");
  need(origin && rest[rest.length - 1] === "", "the checkpoint is not right");
  const rootBytes = bytesOf(root, "the root");
  need(rootBytes.length === 32, "the root is not 32 bytes");
  return { signed, signatures, origin, size: numberOf(size, "the size"), root: rootBytes };
}

function readProof(text) {
  const cut = text.indexOf("\n\n");
  const lines = text.slice(0, cut).split("\n");
  need(cut > 0 && lines.shift() === "c2sp.org/tlog-proof@v1", "this is not a receipt (c2sp.org/tlog-proof@v1)");
  let extra = null;
  if (lines[0]?.startsWith("extra ")) extra = bytesOf(lines.shift().slice(6), "the entry in the receipt");
  need(lines[0]?.startsWith("index "), "the receipt has no index");
  const index = numberOf(lines.shift().slice(6), "the index");
  need(lines.length <= 63, "the proof is too long");
  const hashes = lines.map((line) => bytesOf(line, "a hash"));
  need(hashes.every((each) => each.length === 32), "a hash is not 32 bytes");
  return { index, hashes, extra, note: readNote(text.slice(cut + 2)) };
}

async function rootFrom(leaf, index, size, hashes) {
  need(index < size, "the index is outside of the log");
  let first = index, last = size - 1n, hash = leaf;
  for (const each of hashes) {
    need(last > 0n, "the proof is too long");
    if (first & 1n || first === last) {
      hash = await nodeHash(each, hash);
      while (!(first & 1n) && first !== 0n) [first, last] = [first >> 1n, last >> 1n];
    } else {
      hash = await nodeHash(hash, each);
    }
    [first, last] = [first >> 1n, last >> 1n];
  }
  need(last === 0n, "the proof is too short");
  return hash;
}

// Returns when a key signed (seconds, or null), "unsupported", or undefined when it did not. Throws when it is false.
async function signedBy(key, note) {
  const found = note.signatures.find((each) => each.name === key.name && each.id === key.id);
  if (!found) return undefined;
  if (key.type === ML_DSA_44) return "unsupported";
  let message = note.signed, value = found.value, at = null;
  if (key.type === ED25519_COSIGNATURE) {
    need(value.length === 72, `the cosignature of ${key.name} has the wrong length`);
    at = new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0);
    message = `cosignature/v1\ntime ${at}\n${message}`;
    value = value.slice(8);
  }
  const usable = await crypto.subtle.importKey("raw", key.bytes, "Ed25519", false, ["verify"]);
  const isRight = await crypto.subtle.verify("Ed25519", usable, value, utf8.encode(message));
  need(isRight, `the signature of ${key.name} is false`);
  return at;
}

async function verifyReceipt(receiptText, policyText) {
  const policy = await readPolicy(policyText);
  const proof = readProof(receiptText);
  const said = [];
  need(proof.extra !== null, "this receipt does not hold its entry; use `datahub log verify --receipt … --entry …`");
  const root = await rootFrom(await leafHash(proof.extra), proof.index, proof.note.size, proof.hashes);
  need(hex(root) === hex(proof.note.root), "the entry is not under the root of this checkpoint");
  said.push(`The entry is number ${proof.index} of ${proof.note.size} in the log ${proof.note.origin}.`);
  let isSigned = false;
  for (const key of policy.logs.filter((each) => each.name === proof.note.origin)) {
    const at = await signedBy(key, proof.note);
    if (key.type === ED25519 && at === null) isSigned = true;
  }
  need(isSigned, "no log of the trust policy has signed this checkpoint with Ed25519");
  said.push("The log has signed the checkpoint.");
  const met = new Set(["none"]);
  for (const [name, key] of policy.witnesses) {
    const at = await signedBy(key, proof.note);
    if (typeof at === "bigint") {
      met.add(name);
      said.push(`Cosigned by ${name} at ${new Date(Number(at) * 1000).toISOString()}.`);
    }
  }
  for (const group of policy.groups) {
    if (group.members.filter((each) => met.has(each)).length >= group.count) met.add(group.name);
  }
  need(met.has(policy.quorum), `the witnesses that the trust policy asks for (${policy.quorum}) did not all cosign`);
  if (policy.quorum !== "none") said.push(`The witnesses that the policy asks for (${policy.quorum}) saw this same log.`);
  return { said, entry: new TextDecoder().decode(proof.extra), quorum: policy.quorum };
}

function show(title, isRight, sentences, entry) {
  const place = document.getElementById("result");
  place.replaceChildren();
  place.dataset.result = isRight ? "verified" : "failed";
  const heading = document.createElement("h2");
  heading.textContent = title;
  const list = document.createElement("ul");
  for (const sentence of sentences) {
    const item = document.createElement("li");
    item.textContent = sentence;
    list.append(item);
  }
  place.append(heading, list);
  if (entry) {
    const shown = document.createElement("pre");
    shown.textContent = entry;
    place.append("The entry, as it is in the log:", shown);
  }
}

async function start(event) {
  event.preventDefault();
  try {
    need(window.isSecureContext, "this page must be opened over https or on this machine: only there browsers give cryptography");
    const [receipt] = document.getElementById("receipt").files;
    const [policy] = document.getElementById("policy").files;
    need(receipt && policy, "choose a receipt and a trust policy");
    need(Math.max(receipt.size, policy.size) <= 1 << 20, "these files are too large to be a receipt and a policy");
    const { said, entry, quorum } = await verifyReceipt(await receipt.text(), await policy.text());
    const notProven = ["Not proven: that what was logged is true, or that everything was logged."];
    if (quorum === "none") notProven.push("Not proven: that others see the same log. The policy asks for no witness.");
    show("Verified", true, [...said, ...notProven], entry);
  } catch (fault) {
    const sentence = fault instanceof Wrong ? fault.message : `this browser cannot check it (${fault.name}: ${fault.message})`;
    show("Not verified", false, [sentence]);
  }
}

document.getElementById("verify").addEventListener("submit", start);
