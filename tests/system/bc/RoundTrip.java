/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bouncy Castle's opinion of our mail, and mail of its making.  One JVM for
 * many files, driven by roundtrip_test.py:
 *
 *	RoundTrip read KEYS IN OUT	for each IN/NAME: its layers taken
 *	    apart; what is innermost goes to OUT/NAME, and a line NAME TAB
 *	    LAYERS TAB REMARKS is printed
 *	RoundTrip make KEYS OUT		messages OUT/NAME.eml
 *
 * KEYS holds root.pem and pairs NAME.pem, NAME.key.
 */

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.TreeMap;
import javax.mail.Session;
import javax.mail.internet.ContentType;
import javax.mail.internet.MimeMessage;
import javax.mail.internet.MimeMultipart;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSEnvelopedData;
import org.bouncycastle.cms.CMSEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSEnvelopedDataStreamGenerator;
import org.bouncycastle.cms.CMSEnvelopedGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.CMSSignedDataStreamGenerator;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientInfoGenerator;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.RecipientInformationStore;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyTransAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.mail.smime.SMIMESigned;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.OutputEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

public class RoundTrip {
	static final byte[] CRLF = bytes("\r\n");

	final TreeMap<String, X509Certificate> certs = new TreeMap<>();
	final TreeMap<String, PrivateKey> keys = new TreeMap<>();

	static byte[] bytes(String text) {
		return text.getBytes(StandardCharsets.ISO_8859_1);
	}

	static byte[] join(byte[]... parts) throws Exception {
		ByteArrayOutputStream out = new ByteArrayOutputStream();

		for (byte[] part : parts)
			out.write(part);
		return out.toByteArray();
	}

	// ---- keys ----

	static Object pem(Path path) throws Exception {
		try (PEMParser parser = new PEMParser(
		    new FileReader(path.toFile()))) {
			return parser.readObject();
		}
	}

	static PrivateKey key(Path path) throws Exception {
		Object o = pem(path);

		return new JcaPEMKeyConverter().setProvider("BC").getPrivateKey(
		    o instanceof PEMKeyPair ? ((PEMKeyPair)o).getPrivateKeyInfo()
		    : (PrivateKeyInfo)o);
	}

	RoundTrip(Path directory) throws Exception {
		for (Path path : sorted(directory)) {
			String file = path.getFileName().toString();
			String name = file.replaceFirst("\\.[a-z]+$", "");

			if (file.endsWith(".pem"))
				certs.put(name, new JcaX509CertificateConverter()
				    .setProvider("BC").getCertificate(
				    (X509CertificateHolder)pem(path)));
			else if (file.endsWith(".key"))
				keys.put(name, key(path));
		}
	}

	static List<Path> sorted(Path directory) throws Exception {
		List<Path> paths = new ArrayList<>();

		try (var stream = Files.newDirectoryStream(directory)) {
			stream.forEach(paths::add);
		}
		Collections.sort(paths);
		return paths;
	}

	// ---- reading ----

	/** What one message was found to be. */
	static class Finding {
		final List<String> layers = new ArrayList<>();
		final List<String> remarks = new ArrayList<>();
		byte[] innermost;
	}

	static int find(byte[] in, byte[] what, int from) {
		for (int i = from; i + what.length <= in.length; i++)
			if (Arrays.equals(in, i, i + what.length, what, 0,
			    what.length))
				return i;
		return -1;
	}

	/** The first part of a multipart, exactly as it lies there. */
	static byte[] firstPart(byte[] entity, String boundary)
	    throws Exception {
		byte[] delimiter = bytes("\r\n--" + boundary);
		int start = find(entity, delimiter, 0);
		int from = find(entity, CRLF, start + 2) + 2;

		return Arrays.copyOfRange(entity, from,
		    find(entity, delimiter, from));
	}

	void checkSigners(CMSSignedData cms) throws Exception {
		int good = 0;

		for (SignerInformation signer : cms.getSignerInfos()) {
			X509CertificateHolder holder = (X509CertificateHolder)
			    cms.getCertificates().getMatches(signer.getSID())
			    .iterator().next();
			X509Certificate cert =
			    new JcaX509CertificateConverter()
			    .setProvider("BC").getCertificate(holder);

			cert.checkValidity();
			cert.verify(certs.get("root").getPublicKey(), "BC");
			if (!signer.verify(
			    new JcaSimpleSignerInfoVerifierBuilder()
			    .setProvider("BC").build(cert)))
				throw new Exception("signature is wrong");
			good++;
		}
		if (good == 0)
			throw new Exception("no signer");
	}

	/** The same by libbcmail's own reader over JavaMail. */
	String byJavaMail(MimeMessage message) {
		try {
			checkSigners(new SMIMESigned(
			    (MimeMultipart)message.getContent()));
			return null;
		} catch (Exception why) {
			return "javamail: " + why.getMessage();
		}
	}

	byte[] openSigned(MimeMessage message, byte[] entity, ContentType type,
	    Finding f) throws Exception {
		CMSSignedData cms;

		if (!type.match("multipart/signed")) {
			cms = new CMSSignedData(
			    message.getInputStream().readAllBytes());
			checkSigners(cms);
			f.layers.add("opaque");
			return (byte[])cms.getSignedContent().getContent();
		}
		byte[] content = firstPart(entity, type.getParameter("boundary"));
		String remark = byJavaMail(message);

		cms = new CMSSignedData(new CMSProcessableByteArray(content),
		    ((MimeMultipart)message.getContent()).getBodyPart(1)
		    .getInputStream().readAllBytes());
		checkSigners(cms);
		f.layers.add("detached");
		if (remark != null)
			f.remarks.add(remark);
		return content;
	}

	/** With whichever of our keys is named. */
	byte[] decrypt(RecipientInformationStore infos, boolean aead)
	    throws Exception {
		for (String name : keys.keySet()) {
			X509CertificateHolder cert = new X509CertificateHolder(
			    certs.get(name).getEncoded());

			for (RecipientInformation info : infos.getRecipients())
				if (info.getRID().match(cert))
					return info.getContent(recipient(
					    keys.get(name), aead));
		}
		throw new Exception("no key");
	}

	static Recipient recipient(PrivateKey key, boolean aead) {
		if (!key.getAlgorithm().equals("RSA"))
			return new JceKeyAgreeEnvelopedRecipient(key)
			    .setProvider("BC");
		if (aead)
			return new JceKeyTransAuthEnvelopedRecipient(key)
			    .setProvider("BC");
		return new JceKeyTransEnvelopedRecipient(key).setProvider("BC");
	}

	byte[] openSealed(byte[] cms, boolean aead, Finding f)
	    throws Exception {
		byte[] plain = aead ?
		    decrypt(new CMSAuthEnvelopedData(cms).getRecipientInfos(),
		    true) :
		    decrypt(new CMSEnvelopedData(cms).getRecipientInfos(),
		    false);

		f.layers.add(aead ? "gcm" : "cbc");
		return plain;
	}

	/** One layer of an entity with header fields, or null. */
	byte[] open(byte[] entity, Finding f) throws Exception {
		MimeMessage message = new MimeMessage(
		    Session.getInstance(new Properties()),
		    new ByteArrayInputStream(entity));
		ContentType type;

		try {
			type = new ContentType(message.getContentType());
		} catch (Exception odd) {
			return null;
		}
		String kind = type.getParameter("smime-type");

		if (type.match("multipart/signed") ? String.valueOf(
		    type.getParameter("protocol")).contains("pkcs7") :
		    "signed-data".equals(kind))
			return openSigned(message, entity, type, f);
		if (!type.match("application/pkcs7-mime"))
			return null;
		return openSealed(message.getInputStream().readAllBytes(),
		    "authEnveloped-data".equals(kind), f);
	}

	Finding read(byte[] message, int depth) {
		Finding f = new Finding();

		f.innermost = message;
		try {
			for (int i = 0; i < depth; i++) {
				byte[] inside = open(f.innermost, f);

				if (inside == null)
					break;
				f.innermost = inside;
			}
		} catch (Exception why) {
			f.remarks.add("failed: " + why);
		}
		return f;
	}

	/** IN/NAME.N is to have N layers; what is inside may be S/MIME, too. */
	void readAll(Path in, Path out) throws Exception {
		for (Path path : sorted(in)) {
			String name = path.getFileName().toString();
			Finding f = read(Files.readAllBytes(path),
			    Integer.parseInt(name.replaceFirst(".*\\.", "")));

			Files.write(out.resolve(name), f.innermost);
			System.out.println((name + "\t" +
			    String.join(" ", f.layers) + "\t" +
			    String.join("; ", f.remarks))
			    .replaceAll("[\r\n]+", " "));
		}
	}

	// ---- making ----

	static byte[] mime(String fields, byte[] cms) {
		return bytes(fields + "Content-Transfer-Encoding: base64\r\n\r\n" +
		    new String(Base64.getMimeEncoder().encode(cms)) + "\r\n");
	}

	static byte[] pkcs7(String kind, byte[] cms) {
		return mime("Content-Type: application/pkcs7-mime; smime-type=" +
		    kind + "; name=smime.p7m\r\n", cms);
	}

	SignerInfoGenerator signer(String who, String algorithm)
	    throws Exception {
		return new JcaSignerInfoGeneratorBuilder(
		    new JcaDigestCalculatorProviderBuilder().setProvider("BC")
		    .build()).build(new JcaContentSignerBuilder(algorithm)
		    .setProvider("BC").build(keys.get(who)), certs.get(who));
	}

	byte[] signedData(byte[] entity, boolean inside, String... signers)
	    throws Exception {
		CMSSignedDataGenerator g = new CMSSignedDataGenerator();

		for (int i = 0; i < signers.length; i += 2) {
			g.addSignerInfoGenerator(signer(signers[i],
			    signers[i + 1]));
			g.addCertificates(new JcaCertStore(
			    List.of(certs.get(signers[i]))));
		}
		return g.generate(new CMSProcessableByteArray(entity), inside)
		    .getEncoded();
	}

	byte[] detached(byte[] entity, String... signers) throws Exception {
		return join(bytes("Content-Type: multipart/signed; " +
		    "boundary=bc; micalg=sha-256;\r\n" +
		    " protocol=\"application/pkcs7-signature\"\r\n\r\n" +
		    "--bc\r\n"), entity, bytes("\r\n--bc\r\n"),
		    mime("Content-Type: application/pkcs7-signature; " +
		    "name=smime.p7s\r\n", signedData(entity, false, signers)),
		    bytes("--bc--\r\n"));
	}

	byte[] opaque(byte[] entity, String... signers) throws Exception {
		return pkcs7("signed-data", signedData(entity, true, signers));
	}

	/** Indefinite lengths, the content in pieces of 100 octets. */
	byte[] opaqueBer(byte[] entity, String who, String algorithm)
	    throws Exception {
		CMSSignedDataStreamGenerator g =
		    new CMSSignedDataStreamGenerator();
		ByteArrayOutputStream cms = new ByteArrayOutputStream();

		g.setBufferSize(100);
		g.addSignerInfoGenerator(signer(who, algorithm));
		g.addCertificates(new JcaCertStore(List.of(certs.get(who))));
		try (OutputStream out = g.open(cms, true)) {
			out.write(entity);
		}
		return pkcs7("signed-data", cms.toByteArray());
	}

	RecipientInfoGenerator transport(String whom) throws Exception {
		return new JceKeyTransRecipientInfoGenerator(certs.get(whom))
		    .setProvider("BC");
	}

	/** RSAES-OAEP with one hash for label and mask. */
	RecipientInfoGenerator oaep(String whom, String hash)
	    throws Exception {
		AlgorithmIdentifier id = new JcaAlgorithmParametersConverter()
		    .getAlgorithmIdentifier(
		    PKCSObjectIdentifiers.id_RSAES_OAEP,
		    new javax.crypto.spec.OAEPParameterSpec(hash, "MGF1",
		    new java.security.spec.MGF1ParameterSpec(hash),
		    javax.crypto.spec.PSource.PSpecified.DEFAULT));

		return new JceKeyTransRecipientInfoGenerator(certs.get(whom), id)
		    .setProvider("BC");
	}

	/** An ephemeral key, as RFC 5753 wants it. */
	RecipientInfoGenerator agreement(String whom,
	    ASN1ObjectIdentifier scheme, ASN1ObjectIdentifier wrap)
	    throws Exception {
		var generator = java.security.KeyPairGenerator.getInstance(
		    certs.get(whom).getPublicKey().getAlgorithm(), "BC");

		if (certs.get(whom).getPublicKey() instanceof
		    java.security.interfaces.ECPublicKey)
			generator.initialize(
			    ((java.security.interfaces.ECPublicKey)
			    certs.get(whom).getPublicKey()).getParams());
		var pair = generator.generateKeyPair();

		return new JceKeyAgreeRecipientInfoGenerator(scheme,
		    pair.getPrivate(), pair.getPublic(), wrap)
		    .addRecipient(certs.get(whom)).setProvider("BC");
	}

	static OutputEncryptor cipher(ASN1ObjectIdentifier id)
	    throws Exception {
		return new JceCMSContentEncryptorBuilder(id).setProvider("BC")
		    .build();
	}

	static byte[] sealed(byte[] entity, ASN1ObjectIdentifier id,
	    RecipientInfoGenerator... recipients) throws Exception {
		CMSEnvelopedDataGenerator g = new CMSEnvelopedDataGenerator();

		for (RecipientInfoGenerator one : recipients)
			g.addRecipientInfoGenerator(one);
		return pkcs7("enveloped-data", g.generate(
		    new CMSProcessableByteArray(entity), cipher(id))
		    .getEncoded());
	}

	static byte[] sealedBer(byte[] entity, RecipientInfoGenerator recipient)
	    throws Exception {
		CMSEnvelopedDataStreamGenerator g =
		    new CMSEnvelopedDataStreamGenerator();
		ByteArrayOutputStream cms = new ByteArrayOutputStream();

		g.setBufferSize(100);
		g.addRecipientInfoGenerator(recipient);
		try (OutputStream out = g.open(cms,
		    cipher(CMSAlgorithm.AES256_CBC))) {
			out.write(entity);
		}
		return pkcs7("enveloped-data", cms.toByteArray());
	}

	static byte[] gcm(byte[] entity, ASN1ObjectIdentifier id,
	    RecipientInfoGenerator... recipients) throws Exception {
		CMSAuthEnvelopedDataGenerator g =
		    new CMSAuthEnvelopedDataGenerator();

		for (RecipientInfoGenerator one : recipients)
			g.addRecipientInfoGenerator(one);
		return pkcs7("authEnveloped-data", g.generate(
		    new CMSProcessableByteArray(entity),
		    (OutputAEADEncryptor)cipher(id)).getEncoded());
	}

	void makeSigned(TreeMap<String, byte[]> made, byte[] text)
	    throws Exception {
		for (String algorithm : new String[] {"SHA256withRSA",
		    "SHA384withRSA", "SHA512withRSA", "SHA256withRSAandMGF1",
		    "SHA384withRSAandMGF1", "SHA1withRSA"}) {
			made.put("detached-" + algorithm,
			    detached(text, "rsa", algorithm));
			made.put("opaque-" + algorithm,
			    opaque(text, "rsa", algorithm));
		}
		for (String algorithm : new String[] {"SHA256withECDSA",
		    "SHA512withECDSA"}) {
			made.put("detached-" + algorithm,
			    detached(text, "ec", algorithm));
			made.put("opaque-" + algorithm,
			    opaque(text, "ec", algorithm));
		}
		made.put("detached-two-signers", detached(text, "rsa",
		    "SHA256withRSA", "ec", "SHA512withECDSA"));
		made.put("detached-Ed25519", detached(text, "ed", "Ed25519"));
		made.put("opaque-BER", opaqueBer(text, "rsa", "SHA256withRSA"));
		made.put("opaque-in-opaque", opaque(opaque(text, "ec",
		    "SHA256withECDSA"), "rsa", "SHA256withRSA"));
		made.put("detached-altered", bytes(new String(detached(text,
		    "rsa", "SHA256withRSA"), StandardCharsets.ISO_8859_1)
		    .replace("Hello", "Hallo")));
	}

	void makeSealed(TreeMap<String, byte[]> made, byte[] text)
	    throws Exception {
		made.put("cbc-128-rsa", sealed(text, CMSAlgorithm.AES128_CBC,
		    transport("rsa")));
		made.put("cbc-192-rsa", sealed(text, CMSAlgorithm.AES192_CBC,
		    transport("rsa")));
		made.put("cbc-256-rsa", sealed(text, CMSAlgorithm.AES256_CBC,
		    transport("rsa")));
		made.put("cbc-3des-rsa", sealed(text,
		    CMSAlgorithm.DES_EDE3_CBC, transport("rsa")));
		made.put("cbc-BER-rsa", sealedBer(text, transport("rsa")));
		for (String hash : new String[] {"SHA-1", "SHA-256",
		    "SHA-512"})
			made.put("cbc-256-oaep-" + hash, sealed(text,
			    CMSAlgorithm.AES256_CBC, oaep("rsa", hash)));
		made.put("cbc-256-ec-SHA1", sealed(text,
		    CMSAlgorithm.AES256_CBC, agreement("ec",
		    CMSAlgorithm.ECDH_SHA1KDF, CMSAlgorithm.AES128_WRAP)));
		made.put("cbc-256-ec-SHA256", sealed(text,
		    CMSAlgorithm.AES256_CBC, agreement("ec",
		    CMSAlgorithm.ECDH_SHA256KDF, CMSAlgorithm.AES256_WRAP)));
		made.put("cbc-256-ec-SHA512", sealed(text,
		    CMSAlgorithm.AES256_CBC, agreement("ec",
		    CMSAlgorithm.ECDH_SHA512KDF, CMSAlgorithm.AES256_WRAP)));
		made.put("cbc-256-two-recipients", sealed(text,
		    CMSAlgorithm.AES256_CBC, transport("stranger"),
		    transport("rsa")));
		made.put("cbc-256-stranger", sealed(text,
		    CMSAlgorithm.AES256_CBC, transport("stranger")));
		made.put("gcm-128-rsa", gcm(text, CMSAlgorithm.AES128_GCM,
		    transport("rsa")));
		made.put("gcm-256-rsa", gcm(text, CMSAlgorithm.AES256_GCM,
		    transport("rsa")));
		made.put("gcm-256-oaep", gcm(text, CMSAlgorithm.AES256_GCM,
		    oaep("rsa", "SHA-256")));
		made.put("gcm-256-ec", gcm(text, CMSAlgorithm.AES256_GCM,
		    agreement("ec", CMSAlgorithm.ECDH_SHA256KDF,
		    CMSAlgorithm.AES256_WRAP)));
	}

	void makeBoth(TreeMap<String, byte[]> made, byte[] text)
	    throws Exception {
		byte[] inner = detached(text, "rsa", "SHA256withRSA");
		byte[] clear = opaque(text, "ec", "SHA256withECDSA");

		made.put("signed-cbc", sealed(inner, CMSAlgorithm.AES256_CBC,
		    transport("rsa")));
		made.put("signed-gcm", gcm(clear, CMSAlgorithm.AES256_GCM,
		    transport("rsa")));
		made.put("triple-detached", detached(sealed(inner,
		    CMSAlgorithm.AES256_CBC, transport("rsa")), "rsa",
		    "SHA256withRSA"));
		made.put("triple-opaque-gcm", opaque(gcm(clear,
		    CMSAlgorithm.AES256_GCM, transport("rsa")), "ec",
		    "SHA256withECDSA"));
	}

	void makeAll(Path out) throws Exception {
		TreeMap<String, byte[]> made = new TreeMap<>();
		byte[] text = bytes("Content-Type: text/plain\r\n\r\nHello.\r\n" +
		    "A line of text.\r\n".repeat(99));

		makeSigned(made, text);
		makeSealed(made, text);
		makeBoth(made, text);
		for (var one : made.entrySet())
			Files.write(out.resolve(one.getKey()), join(bytes(
			    "From: x@a.example\r\nTo: y@b.example\r\n" +
			    "MIME-Version: 1.0\r\n"), one.getValue()));
	}

	public static void main(String[] args) throws Exception {
		Security.addProvider(new BouncyCastleProvider());
		RoundTrip it = new RoundTrip(Path.of(args[1]));

		if (args[0].equals("read"))
			it.readAll(Path.of(args[2]), Path.of(args[3]));
		else
			it.makeAll(Path.of(args[2]));
	}
}
