/** Makes certificates: of an authority of this home, and of its servers. Loaded when one is made: the library for X.509 is large. */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import * as x509 from '@peculiar/asn1-x509';

/** A certificate and its private key, both PEM, in this order. */
export type CertificateWithKey = string;

export interface Issuer {
  key: KeyObject;
  publicKey: KeyObject;
}

const DAY_MS = 86_400_000;
/** Nothing of an authority's life depends on the clock that it was made by, but its end. */
const AUTHORITY_SINCE = new Date('2020-01-01T00:00:00Z');
export const AUTHORITY_DAYS = 3653;
/** Apple's systems take no server certificate that lives for more than 825 days (https://support.apple.com/103769). */
export const SERVER_DAYS = 800;
/** A clock that was set back a little must not make it one of the future. */
const EARLIER_DAYS = 2;

/** Object identifiers of RFC 5280 and RFC 5758. */
const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  serverAuthentication: '1.3.6.1.5.5.7.3.1',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAlternativeName: '2.5.29.17',
  nameConstraints: '2.5.29.30',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
};

/** One name for all authorities: what tells them apart is their key. */
const AUTHORITY_NAME = 'Thin Clones of this machine';
const SERVER_NAME = 'localhost';

interface CertificateContent {
  issuer: string;
  subject: string;
  publicKey: KeyObject;
  notBefore: Date;
  notAfter: Date;
  extensions: readonly { id: string; critical: boolean; value: unknown }[];
}

const derOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
/** Any number that is the key's own (RFC 5280, section 4.2.1.2). */
const identifierOf = (key: KeyObject) =>
  new OctetString(createHash('sha256').update(derOf(key)).digest().subarray(0, 20));

function signed(content: CertificateContent, issuer: KeyObject): string {
  const named = (text: string) => {
    const value = new x509.AttributeValue({ utf8String: text });
    const attribute = new x509.AttributeTypeAndValue({ type: OID.commonName, value });
    return new x509.Name([new x509.RelativeDistinguishedName([attribute])]);
  };
  const algorithm = new x509.AlgorithmIdentifier({ algorithm: OID.ecdsaWithSha256 });
  // Positive, and not longer than 20 bytes.
  const serial = Buffer.concat([Buffer.from([1]), randomBytes(15)]);
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: new Uint8Array(serial).buffer,
    signature: algorithm,
    issuer: named(content.issuer),
    subject: named(content.subject),
    validity: new x509.Validity({ notBefore: content.notBefore, notAfter: content.notAfter }),
    subjectPublicKeyInfo: AsnConvert.parse(derOf(content.publicKey), x509.SubjectPublicKeyInfo),
    extensions: new x509.Extensions(
      content.extensions.map(
        ({ id, critical, value }) =>
          new x509.Extension({
            ...{ extnID: id, critical, extnValue: new OctetString(AsnConvert.serialize(value)) },
          }),
      ),
    ),
  });
  const signature = sign('sha256', Buffer.from(AsnConvert.serialize(tbsCertificate)), issuer);
  const certificate = new x509.Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: new Uint8Array(signature).buffer,
  });
  const lines = Buffer.from(AsnConvert.serialize(certificate))
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const later = (from: Date, days: number): Date => new Date(from.getTime() + days * DAY_MS);

/** It can vouch for names of this machine alone: whoever trusts it trusts nothing else that somebody might sign with its key. */
export function issueAuthority(now: Date): CertificateWithKey {
  const { publicKey, privateKey } = newKeys();
  const permitted = [{ dNSName: SERVER_NAME }, { iPAddress: '127.0.0.0/8' }, { iPAddress: '::1/128' }].map(
    (name) => new x509.GeneralSubtree({ base: new x509.GeneralName(name) }),
  );
  const content: CertificateContent = {
    ...{ issuer: AUTHORITY_NAME, subject: AUTHORITY_NAME, publicKey },
    ...{ notBefore: AUTHORITY_SINCE, notAfter: later(now, AUTHORITY_DAYS) },
    extensions: [
      {
        ...{ id: OID.basicConstraints, critical: true },
        value: new x509.BasicConstraints({ cA: true, pathLenConstraint: 0 }),
      },
      { id: OID.keyUsage, critical: true, value: new x509.KeyUsage(x509.KeyUsageFlags.keyCertSign) },
      {
        ...{ id: OID.nameConstraints, critical: true },
        value: new x509.NameConstraints({ permittedSubtrees: new x509.GeneralSubtrees(permitted) }),
      },
      {
        ...{ id: OID.subjectKeyIdentifier, critical: false },
        value: new x509.SubjectKeyIdentifier(identifierOf(publicKey)),
      },
    ],
  };
  return signed(content, privateKey) + privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** For `localhost`, `127.0.0.1` and `::1`. */
export function issueServer(issuer: Issuer, now: Date): CertificateWithKey {
  const { publicKey, privateKey } = newKeys();
  const names = [{ dNSName: SERVER_NAME }, { iPAddress: '127.0.0.1' }, { iPAddress: '::1' }];
  const content: CertificateContent = {
    ...{ issuer: AUTHORITY_NAME, subject: SERVER_NAME, publicKey },
    ...{ notBefore: later(now, -EARLIER_DAYS), notAfter: later(now, SERVER_DAYS) },
    extensions: [
      { id: OID.basicConstraints, critical: true, value: new x509.BasicConstraints({ cA: false }) },
      { id: OID.keyUsage, critical: true, value: new x509.KeyUsage(x509.KeyUsageFlags.digitalSignature) },
      {
        ...{ id: OID.extendedKeyUsage, critical: false },
        value: new x509.ExtendedKeyUsage([OID.serverAuthentication]),
      },
      {
        ...{ id: OID.subjectAlternativeName, critical: false },
        value: new x509.SubjectAlternativeName(names.map((name) => new x509.GeneralName(name))),
      },
      {
        ...{ id: OID.subjectKeyIdentifier, critical: false },
        value: new x509.SubjectKeyIdentifier(identifierOf(publicKey)),
      },
      // Python takes no certificate without it (VERIFY_X509_STRICT).
      {
        ...{ id: OID.authorityKeyIdentifier, critical: false },
        value: new x509.AuthorityKeyIdentifier({
          keyIdentifier: new x509.KeyIdentifier(identifierOf(issuer.publicKey)),
        }),
      },
    ],
  };
  return signed(content, issuer.key) + privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
