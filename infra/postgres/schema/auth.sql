-- Generated from the migrations by `./taskw schema:write`; compared in `./taskw check`. Never edit, never run.
CREATE TABLE public.account (
    id uuid NOT NULL,
    email text NOT NULL,
    email_key text NOT NULL,
    name text,
    password_hash text NOT NULL,
    platform_admin boolean DEFAULT false NOT NULL,
    totp_key_id text,
    totp_sealed bytea,
    totp_step bigint,
    totp_enabled_at timestamp with time zone,
    verified_at timestamp with time zone,
    disabled_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.api_key (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    digest bytea NOT NULL,
    scopes text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    used_at timestamp with time zone
);
CREATE TABLE public.audit_entry (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    details jsonb NOT NULL,
    trace_id text NOT NULL,
    at timestamp with time zone NOT NULL,
    address text
);
CREATE TABLE public.flag_override (
    name text NOT NULL,
    enabled boolean NOT NULL,
    percentage integer NOT NULL,
    organizations uuid[] NOT NULL,
    users uuid[] NOT NULL,
    updated_by text NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_flag_override_percentage CHECK (((percentage >= 0) AND (percentage <= 100)))
);
CREATE TABLE public.inbox (
    id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL
);
CREATE TABLE public.invitation (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    email text NOT NULL,
    email_key text NOT NULL,
    role text NOT NULL,
    digest bytea NOT NULL,
    invited_by uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    accepted_at timestamp with time zone,
    CONSTRAINT ck_invitation_role CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'viewer'::text])))
);
CREATE TABLE public.mail (
    id uuid NOT NULL,
    kind text NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
CREATE TABLE public.member (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_member_role CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'viewer'::text])))
);
CREATE TABLE public.one_time_token (
    digest bytea NOT NULL,
    user_id uuid NOT NULL,
    purpose text NOT NULL,
    email text NOT NULL,
    email_key text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    session_id uuid
);
CREATE TABLE public.organization (
    id uuid NOT NULL,
    name text NOT NULL,
    personal boolean NOT NULL,
    disabled_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.outbox (
    "position" bigint NOT NULL,
    id uuid NOT NULL,
    recipient text NOT NULL,
    key text NOT NULL,
    type text NOT NULL,
    version smallint NOT NULL,
    body json NOT NULL,
    trace_id text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone NOT NULL,
    delivered_at timestamp with time zone
);
ALTER TABLE public.outbox ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.recovery_code (
    user_id uuid NOT NULL,
    digest bytea NOT NULL
);
CREATE TABLE public.refresh_token (
    digest bytea NOT NULL,
    session_id uuid NOT NULL,
    salt bytea NOT NULL,
    child bytea,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone
);
CREATE TABLE public.revocation (
    "position" bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    role text,
    at timestamp with time zone NOT NULL
);
ALTER TABLE public.revocation ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.revocation_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.session (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    active_organization_id uuid NOT NULL,
    user_agent text NOT NULL,
    address text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    end_reason text
);
CREATE TABLE public.signing_key (
    kid text NOT NULL,
    public text NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    signs_from timestamp with time zone NOT NULL,
    shown_until timestamp with time zone
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.account
    ADD CONSTRAINT pk_account PRIMARY KEY (id);
ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT pk_api_key PRIMARY KEY (id);
ALTER TABLE ONLY public.audit_entry
    ADD CONSTRAINT pk_audit_entry PRIMARY KEY (id);
ALTER TABLE ONLY public.flag_override
    ADD CONSTRAINT pk_flag_override PRIMARY KEY (name);
ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (id);
ALTER TABLE ONLY public.invitation
    ADD CONSTRAINT pk_invitation PRIMARY KEY (id);
ALTER TABLE ONLY public.mail
    ADD CONSTRAINT pk_mail PRIMARY KEY (id);
ALTER TABLE ONLY public.member
    ADD CONSTRAINT pk_member PRIMARY KEY (organization_id, user_id);
ALTER TABLE ONLY public.one_time_token
    ADD CONSTRAINT pk_one_time_token PRIMARY KEY (digest);
ALTER TABLE ONLY public.organization
    ADD CONSTRAINT pk_organization PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY ("position");
ALTER TABLE ONLY public.recovery_code
    ADD CONSTRAINT pk_recovery_code PRIMARY KEY (user_id, digest);
ALTER TABLE ONLY public.refresh_token
    ADD CONSTRAINT pk_refresh_token PRIMARY KEY (digest);
ALTER TABLE ONLY public.revocation
    ADD CONSTRAINT pk_revocation PRIMARY KEY ("position");
ALTER TABLE ONLY public.session
    ADD CONSTRAINT pk_session PRIMARY KEY (id);
ALTER TABLE ONLY public.signing_key
    ADD CONSTRAINT pk_signing_key PRIMARY KEY (kid);
ALTER TABLE ONLY public.account
    ADD CONSTRAINT uq_account_email_key UNIQUE (email_key);
ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT uq_api_key_digest UNIQUE (digest);
ALTER TABLE ONLY public.invitation
    ADD CONSTRAINT uq_invitation_digest UNIQUE (digest);
ALTER TABLE ONLY public.refresh_token
    ADD CONSTRAINT uq_refresh_token_child UNIQUE (child);
CREATE INDEX ix_api_key_organization_id_id ON public.api_key USING btree (organization_id, id);
CREATE INDEX ix_audit_entry_organization_id_id ON public.audit_entry USING btree (organization_id, id);
CREATE INDEX ix_inbox_received_at ON public.inbox USING btree (received_at);
CREATE INDEX ix_invitation_organization_id_id ON public.invitation USING btree (organization_id, id);
CREATE INDEX ix_mail_due_at ON public.mail USING btree (due_at);
CREATE INDEX ix_member_user_id ON public.member USING btree (user_id);
CREATE INDEX ix_one_time_token_user_id_purpose ON public.one_time_token USING btree (user_id, purpose);
CREATE INDEX ix_outbox_undelivered ON public.outbox USING btree (recipient, key, "position") WHERE (delivered_at IS NULL);
CREATE INDEX ix_refresh_token_session_id ON public.refresh_token USING btree (session_id);
CREATE INDEX ix_revocation_at ON public.revocation USING btree (at);
CREATE INDEX ix_session_user_id_id ON public.session USING btree (user_id, id);
ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT fk_api_key_organization_id FOREIGN KEY (organization_id) REFERENCES public.organization(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.invitation
    ADD CONSTRAINT fk_invitation_organization_id FOREIGN KEY (organization_id) REFERENCES public.organization(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.member
    ADD CONSTRAINT fk_member_organization_id FOREIGN KEY (organization_id) REFERENCES public.organization(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.member
    ADD CONSTRAINT fk_member_user_id FOREIGN KEY (user_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.one_time_token
    ADD CONSTRAINT fk_one_time_token_user_id FOREIGN KEY (user_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.recovery_code
    ADD CONSTRAINT fk_recovery_code_user_id FOREIGN KEY (user_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.refresh_token
    ADD CONSTRAINT fk_refresh_token_session_id FOREIGN KEY (session_id) REFERENCES public.session(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.session
    ADD CONSTRAINT fk_session_user_id FOREIGN KEY (user_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE public.api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.audit_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.invitation ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.member ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.organization ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON public.api_key TO auth_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.audit_entry TO auth_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.invitation TO auth_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.member TO auth_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.organization TO auth_system USING (true) WITH CHECK (true);
CREATE POLICY tenant ON public.api_key TO auth_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.audit_entry TO auth_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.invitation TO auth_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.member TO auth_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.organization TO auth_api USING ((id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
GRANT USAGE ON SCHEMA public TO auth_api;
GRANT USAGE ON SCHEMA public TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.account TO auth_system;
GRANT SELECT(id) ON TABLE public.account TO auth_api;
GRANT SELECT(email) ON TABLE public.account TO auth_api;
GRANT SELECT(email_key) ON TABLE public.account TO auth_api;
GRANT SELECT(name) ON TABLE public.account TO auth_api;
GRANT SELECT(created_at) ON TABLE public.account TO auth_api;
GRANT SELECT ON TABLE public.alembic_version TO auth_api;
GRANT SELECT ON TABLE public.alembic_version TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.api_key TO auth_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.api_key TO auth_system;
GRANT SELECT,INSERT ON TABLE public.audit_entry TO auth_api;
GRANT SELECT,INSERT ON TABLE public.audit_entry TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.flag_override TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbox TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.invitation TO auth_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.invitation TO auth_system;
GRANT INSERT ON TABLE public.mail TO auth_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.mail TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.member TO auth_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.member TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.one_time_token TO auth_system;
GRANT SELECT,DELETE,UPDATE ON TABLE public.organization TO auth_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.organization TO auth_system;
GRANT INSERT ON TABLE public.outbox TO auth_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.recovery_code TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.refresh_token TO auth_system;
GRANT SELECT,INSERT ON TABLE public.revocation TO auth_api;
GRANT SELECT,INSERT,DELETE ON TABLE public.revocation TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.session TO auth_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.signing_key TO auth_system;
